-- All that are alive. KEYS: clock, nodes, about, figures. It keeps the time:
-- where all nodes have died nobody else does, and they would be alive for ever.

local now = tick()
local answer = {}
for _, session in ipairs(live(now)) do
  local left = tonumber(redis.call('ZSCORE', NODES, session)) * 1000 - now
  local about = redis.call('HGET', KEYS[3], session) or ''
  local figures = redis.call('HGET', KEYS[4], session) or ''
  answer[#answer + 1] = { session, whole(left), about, figures }
end
return answer
