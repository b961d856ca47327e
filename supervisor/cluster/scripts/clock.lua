-- What time it is: the engine's own, in microseconds, and never earlier than any step has said before.
-- KEYS[1] of every script that asks: a hash of a few numbers, so it does not grow.

local CLOCK = KEYS[1]

local function whole(number)
  return string.format('%.0f', number)
end

-- Somebody beats every quarter of a lease. A clock that is further ahead than this part of it was stepped, or
-- nobody was here, and then it does not matter: leases must not end on the engine before they end on the nodes.
local LONGEST_STEP = 0.3

-- As the machine has it.
local function wall()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- The engine's clock, plus all that it was ever set back by, less all that it was set ahead by.
local function peek()
  local known = redis.call('HMGET', CLOCK, 'off', 'last', 'lease')
  local off, last = tonumber(known[1] or 0), tonumber(known[2] or 0)
  local now = wall() + off
  local told = math.max(now, last)
  if known[3] then -- else nobody has a lease yet
    told = math.min(told, math.floor(last + LONGEST_STEP * tonumber(known[3]) * 1000))
  end
  return told, off + told - now
end

-- The same, and nobody will ever be told less. The first thing that a step writes, if it needs the time: an
-- engine that takes no writes refuses it before anything has happened.
local function tick()
  local now, off = peek()
  redis.call('HSET', CLOCK, 'off', whole(off), 'last', whole(now))
  return now
end

-- Greater than the last one, and than those of data that was lost, if one of the clocks is right: after a
-- pause the engine's own is held back, and tells the same again to who has lost what came after.
local function beyond(last, now)
  return math.max(last + 1, now, wall())
end

local function next_fence(now)
  local fence = beyond(tonumber(redis.call('HGET', CLOCK, 'fence') or 0), now)
  redis.call('HSET', CLOCK, 'fence', whole(fence))
  return whole(fence)
end

local function fence_reached(fence)
  if tonumber(redis.call('HGET', CLOCK, 'fence') or 0) < tonumber(fence) then
    redis.call('HSET', CLOCK, 'fence', fence)
  end
end
