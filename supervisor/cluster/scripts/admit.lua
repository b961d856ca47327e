-- One more slot, if there is room. KEYS: clock, nodes, slots, keys, epoch.
-- ARGV: session, slot, key, limit, for how long the user is remembered (ms), then the slots that are gone.

local session, slot, key = ARGV[1], ARGV[2], ARGV[3]
local limit, memory = tonumber(ARGV[4]), ARGV[5]
local now = tick()

local warm = redis.call('HGET', KEYS[5], 'warm')
if not warm or not is_alive(session, now) then
  return { 'dead' }
end
for i = 6, #ARGV do
  drop(ARGV[i])
end
local same = found(slot)
if same and same.session == session then
  return { 'admitted', told(same) }
elseif same and is_alive(same.session, now) then
  return { 'taken', told(same) }
elseif same then
  drop(slot)
end
if tonumber(warm) > now then
  return { 'warming', whole(warm - now) }
end
local holder = holder_of(key)
if holder and not is_alive(holder.session, now) then
  drop(holder.slot)
elseif holder and holder.session ~= session then
  return { 'taken', told(holder) }
end
if not has_room(limit, now) then
  local holders = {}
  for i, record in ipairs(live_slots(now)) do
    holders[i] = told(record)
  end
  return { 'full', holders }
end
local record = { slot = slot, key = key, session = session, fence = next_fence(now) }
count(record)
give_key(record)
remember(memory)
return { 'admitted', told(record) }
