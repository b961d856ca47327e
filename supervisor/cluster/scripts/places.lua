-- Who is where: a hash, who -> the sessions by which he is present. KEYS[3] of those who ask.
-- It ends a day after the last who entered, and whoever a dead node has left there goes by `tidy`.

local PLACE = KEYS[3]

local function sessions_of(who, now)
  local present = {}
  for _, session in ipairs(unpacked(redis.call('HGET', PLACE, who) or '')) do
    if is_alive(session, now) then
      present[#present + 1] = session
    end
  end
  return present
end

local function note(who, present)
  if #present == 0 then
    redis.call('HDEL', PLACE, who)
  else
    redis.call('HSET', PLACE, who, pack(present))
  end
end

-- Each time their number has doubled: there are never more than twice those who are present, or 64.
local function tidy(now)
  local size = redis.call('HLEN', PLACE)
  local power = 64
  while power < size do
    power = power * 2
  end
  if power == size then
    for _, who in ipairs(redis.call('HKEYS', PLACE)) do
      note(who, sessions_of(who, now))
    end
  end
end
