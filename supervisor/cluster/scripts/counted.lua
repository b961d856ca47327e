-- All slots of a user that count, of live sessions. KEYS: clock, nodes, slots, keys. Reads only.

local answer = {}
for i, record in ipairs(live_slots((peek()))) do
  answer[i] = told(record)
end
return answer
