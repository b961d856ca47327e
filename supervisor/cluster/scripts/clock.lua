-- What time it is: the engine's own, in microseconds, and never earlier than any step has said before.
-- KEYS[1] of every script that asks: a hash of four numbers at most, so it does not grow.

local CLOCK = KEYS[1]

local function whole(number)
  return string.format('%.0f', number)
end

-- The engine's clock plus all that it was ever set back by: else a lease would live on by as much.
local function peek()
  local time = redis.call('TIME')
  local known = redis.call('HMGET', CLOCK, 'off', 'last')
  local off, last = tonumber(known[1] or 0), tonumber(known[2] or 0)
  local now = time[1] * 1000000 + time[2] + off
  if now < last then
    return last, off + last - now
  end
  return now, off
end

-- The same, and nobody will ever be told less. The first thing that a step writes, if it needs the time: an
-- engine that takes no writes refuses it before anything has happened.
local function tick()
  local now, off = peek()
  redis.call('HSET', CLOCK, 'off', whole(off), 'last', whole(now))
  return now
end

-- A number greater than every one before it, even those of data that was lost, if the clock is right.
local function next_fence(now)
  local fence = math.max(tonumber(redis.call('HGET', CLOCK, 'fence') or 0) + 1, now)
  redis.call('HSET', CLOCK, 'fence', whole(fence))
  return whole(fence)
end

local function fence_reached(fence)
  if tonumber(redis.call('HGET', CLOCK, 'fence') or 0) < tonumber(fence) then
    redis.call('HSET', CLOCK, 'fence', fence)
  end
end
