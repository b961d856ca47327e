-- Somebody is present no more by this session. KEYS: clock, nodes, place. ARGV: session, who, channel.

local session, who, channel = ARGV[1], ARGV[2], ARGV[3]
local now = tick()

local known = false
for _, other in ipairs(unpacked(redis.call('HGET', PLACE, who) or '')) do
  known = known or other == session
end
local others = {}
for _, other in ipairs(sessions_of(who, now)) do
  if other ~= session then
    others[#others + 1] = other
  end
end
note(who, others)
local is_last = known and #others == 0
if is_last then
  redis.call('PUBLISH', channel, '-' .. who)
end
return is_last and 1 or 0
