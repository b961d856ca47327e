-- Somebody is present. KEYS: clock, nodes, place. ARGV: session, who, channel, for how long it is remembered (ms).

local session, who, channel, memory = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now = tick()

if not is_alive(session, now) then
  return { 'dead' }
end
local present = sessions_of(who, now)
local is_new = #present == 0
local known = false
for _, other in ipairs(present) do
  known = known or other == session
end
if not known then
  present[#present + 1] = session
  note(who, present)
  tidy(now)
end
redis.call('PEXPIRE', PLACE, memory)
if is_new then
  redis.call('PUBLISH', channel, '+' .. who)
end
return { 'entered', is_new and 1 or 0 }
