-- Begin a session. KEYS: clock, nodes, epoch, about, figures. ARGV: session, lease (ms), about.
-- The epoch is a hash of two numbers: the lease of all live nodes, and until when (us) nothing is admitted
-- because the data is new. That it is missing is how the data is known to be new.

local session, lease, about = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local EPOCH, ABOUT, FIGURES = KEYS[3], KEYS[4], KEYS[5]
local now = tick()

local expiry = redis.call('ZSCORE', NODES, session)
if expiry and not is_alive(session, now) then
  return { 'dead' }
end
local agreed = tonumber(redis.call('HGET', EPOCH, 'lease') or lease)
local others = redis.call('ZCOUNT', NODES, '(' .. score(now), '+inf') - (expiry and 1 or 0)
if agreed ~= lease and others > 0 then
  return redis.error_reply(string.format(
    'ERR live nodes have a lease of %g s, and this one has %g s: it must be the same on all',
    agreed / 1000, lease / 1000
  ))
end
redis.call('HSETNX', EPOCH, 'warm', whole(now + lease * 1000))
redis.call('HSET', EPOCH, 'lease', whole(lease))
redis.call('HSET', CLOCK, 'lease', whole(lease))
redis.call('ZADD', NODES, lease_end(now, lease), session)
redis.call('HSET', ABOUT, session, about)
forget_dead(now, lease, ABOUT, FIGURES)
local warm = tonumber(redis.call('HGET', EPOCH, 'warm'))
return { 'opened', whole(math.max(0, warm - now)) }
