-- Add to a log, and tell all who listen. KEYS: clock, nodes, stream, then one per entry: where its id is known.
-- ARGV: session, channel, how many entries are kept, for how long an id is known (ms), then the payloads.
-- The stream is trimmed to about that many; each id is forgotten in its time. A log is kept for as long as
-- its name means something: that is the application's to say.

local session, channel, length, memory = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local STREAM = KEYS[3]
local now = tick()

if not is_alive(session, now) then
  return { 'dead' }
end
local latest = redis.call('XREVRANGE', STREAM, '+', '-', 'COUNT', 1)[1]
local last = latest and tonumber(string.match(latest[1], '^%d+')) or 0
local answer = { 'appended' }
for i = 4, #KEYS do
  local known, payload = redis.call('GET', KEYS[i]), ARGV[i + 1]
  if known then
    answer[#answer + 1] = { known, 0 }
  else
    local before, position = whole(last), beyond(last, now)
    last = position
    position = whole(position)
    redis.call('XADD', STREAM, 'MAXLEN', '~', length, position .. '-0', 'before', before, 'payload', payload)
    redis.call('SET', KEYS[i], position, 'PX', memory)
    redis.call('PUBLISH', channel, position .. ' ' .. before .. ' ' .. payload)
    answer[#answer + 1] = { position, 1 }
  end
end
return answer
