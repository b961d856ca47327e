-- Who is present by which live session. KEYS: clock, nodes, place. Reads only.

local now = peek()
local answer = {}
for _, who in ipairs(redis.call('HKEYS', PLACE)) do
  for _, session in ipairs(sessions_of(who, now)) do
    answer[#answer + 1] = { session, who }
  end
end
return answer
