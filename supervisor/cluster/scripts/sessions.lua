-- Who is alive: session -> the millisecond at which its lease ends, unless it is renewed.
-- KEYS[2] of every script that asks: a sorted set; sessions long dead are forgotten by `forget_dead`.

local NODES = KEYS[2]

-- As a score: leases end between milliseconds, too.
local function score(now)
  return string.format('%.3f', now / 1000)
end

local function lease_end(now, lease)
  return whole(math.ceil(now / 1000) + lease)
end

local function is_alive(session, now)
  local expiry = redis.call('ZSCORE', NODES, session)
  return expiry and tonumber(expiry) * 1000 > now
end

local function live(now)
  return redis.call('ZRANGEBYSCORE', NODES, '(' .. score(now), '+inf')
end

-- A session is remembered as dead for ten leases, then its id is unknown. A few at a time: each call is short,
-- and there are more calls than deaths.
local function forget_dead(now, lease, about, figures)
  local long_ago = score(now - 10 * lease * 1000)
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', NODES, '-inf', long_ago, 'LIMIT', 0, 16)) do
    redis.call('ZREM', NODES, session)
    redis.call('HDEL', about, session)
    redis.call('HDEL', figures, session)
  end
end

-- `is_alive` for many slots of few sessions.
local function asked_once(now)
  local known = {}
  return function(session)
    if known[session] == nil then
      known[session] = is_alive(session, now) or false
    end
    return known[session]
  end
end
