-- Have the engine count exactly what is held. KEYS: clock, nodes, slots, keys.
-- ARGV: session, limit, 1 if what is forgotten is added even without room, for how long the user is remembered
-- (ms), the latest fence that may be dropped, then slot, key, fence of each that is held, by fence.
-- Slots that are newer than what is said here are left alone: this may have come late, on a connection that was
-- given up long ago.

local session, limit = ARGV[1], tonumber(ARGV[2])
local over_limit, memory, as_of = ARGV[3] == '1', ARGV[4], tonumber(ARGV[5])
local now = tick()

if not is_alive(session, now) then
  return { 'dead' }
end
local held = {}
for i = 6, #ARGV, 3 do
  held[ARGV[i]] = true
end
local dropped, added, lost = {}, {}, {}
for _, slot in ipairs(redis.call('HKEYS', SLOTS)) do
  local record = found(slot)
  if record.session == session and not held[slot] and tonumber(record.fence) <= as_of then
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

for i = 6, #ARGV, 3 do
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
