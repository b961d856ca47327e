-- End a session. KEYS: clock, nodes, about, figures. ARGV: session.
-- It stays as one that has just expired, so that an `open` of it that comes late finds it dead.

local session = ARGV[1]
local now = tick()

local expiry = redis.call('ZSCORE', NODES, session)
if not expiry or is_alive(session, now) then
  redis.call('ZADD', NODES, whole(math.floor(now / 1000)), session)
end
redis.call('HDEL', KEYS[3], session)
redis.call('HDEL', KEYS[4], session)
return 1
