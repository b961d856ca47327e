-- Have the engine count exactly what is held. KEYS: clock, nodes, slots, keys.
-- ARGV: session, limit, 1 if what is forgotten is added even without room, for how long the user is remembered
-- (ms), then slot, key, fence of each that is held, by fence.

local session, limit = ARGV[1], tonumber(ARGV[2])
local over_limit, memory = ARGV[3] == '1', ARGV[4]
local now = tick()

if not is_alive(session, now) then
  return { 'dead' }
end
local held = {}
for i = 5, #ARGV, 3 do
  held[ARGV[i]] = true
end
local dropped, added, lost = {}, {}, {}
for _, slot in ipairs(redis.call('HKEYS', SLOTS)) do
  if found(slot).session == session and not held[slot] then
    drop(slot)
    dropped[#dropped + 1] = slot
  end
end

local function is_anothers(record)
  return record and record.session ~= session and is_alive(record.session, now)
end

-- The newest of one's own slots has the key.
local function claim_key(record)
  local holder = holder_of(record.key)
  if not holder or holder.session ~= session or tonumber(holder.fence) < tonumber(record.fence) then
    give_key(record)
  end
end

local function add(record)
  if is_anothers(found(record.slot)) or is_anothers(holder_of(record.key)) then
    return false
  end
  local holder = holder_of(record.key)
  if holder and holder.session ~= session then
    drop(holder.slot)
  end
  drop(record.slot) -- a dead session's, if it counts
  if not has_room(limit, now) and not over_limit then
    return false
  end
  if tonumber(record.fence) == 0 then
    record.fence = next_fence(now)
  else
    fence_reached(record.fence)
  end
  count(record)
  claim_key(record)
  return true
end

for i = 5, #ARGV, 3 do
  local counted = found(ARGV[i])
  if counted and counted.session == session then
    if not is_anothers(holder_of(counted.key)) then
      claim_key(counted)
    end
  elseif add({ slot = ARGV[i], key = ARGV[i + 1], fence = ARGV[i + 2], session = session }) then
    added[#added + 1] = ARGV[i]
  else
    lost[#lost + 1] = ARGV[i]
  end
end
remember(memory)
return { 'reconciled', dropped, added, lost }
