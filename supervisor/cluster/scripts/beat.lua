-- Renew a lease; never revive one. KEYS: clock, nodes, epoch, about, figures. ARGV: session, lease (ms), figures.
-- The fence in the answer lies between those of all slots admitted so far and of all to come: see `reconcile`.

local session, lease, figures = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local EPOCH, ABOUT, FIGURES = KEYS[3], KEYS[4], KEYS[5]
local now = tick()

local agreed = redis.call('HGET', EPOCH, 'lease')
if not agreed or not is_alive(session, now) then
  return { 'dead' }
end
if tonumber(agreed) ~= lease then
  return redis.error_reply(string.format(
    'ERR this session was opened with a lease of %g s, not %g s', agreed / 1000, lease / 1000
  ))
end
redis.call('ZADD', NODES, lease_end(now, lease), session)
redis.call('HSET', FIGURES, session, figures)
forget_dead(now, lease, ABOUT, FIGURES)
return { 'beat', live(now), next_fence(now) }
