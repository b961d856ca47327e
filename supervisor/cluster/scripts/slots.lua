-- What counts for one user: slot -> who holds it, and key -> the slot that has it.
-- As many entries as the user's slots, at most; both hashes end a day after the last step that used them, for
-- users who never come back after their node died. Live slots are reconciled far more often.

local SLOTS, KEYS_OF = KEYS[3], KEYS[4]

-- nil if it does not count. In a reply: slot, key, session, fence.
local function found(slot)
  local text = redis.call('HGET', SLOTS, slot)
  if not text then
    return nil
  end
  local fields = unpacked(text)
  return { slot = slot, key = fields[1], session = fields[2], fence = fields[3] }
end

local function told(record)
  return { record.slot, record.key, record.session, record.fence }
end

local function holder_of(key)
  local slot = redis.call('HGET', KEYS_OF, key)
  return slot and found(slot) or nil
end

local function drop(slot)
  local record = found(slot)
  if record then
    redis.call('HDEL', SLOTS, slot)
    if redis.call('HGET', KEYS_OF, record.key) == slot then
      redis.call('HDEL', KEYS_OF, record.key)
    end
  end
end

local function count(record)
  redis.call('HSET', SLOTS, record.slot, pack({ record.key, record.session, record.fence }))
end

local function give_key(record)
  redis.call('HSET', KEYS_OF, record.key, record.slot)
end

local function remember(milliseconds)
  redis.call('PEXPIRE', SLOTS, milliseconds)
  redis.call('PEXPIRE', KEYS_OF, milliseconds)
end

-- All that count and whose session is alive.
local function live_slots(now)
  local alive, records = asked_once(now), {}
  for _, slot in ipairs(redis.call('HKEYS', SLOTS)) do
    local record = found(slot)
    if alive(record.session) then
      records[#records + 1] = record
    end
  end
  return records
end

local function drop_dead(now)
  local alive = asked_once(now)
  for _, slot in ipairs(redis.call('HKEYS', SLOTS)) do
    if not alive(found(slot).session) then
      drop(slot)
    end
  end
end

-- Only at the limit is there anything to look through.
local function has_room(limit, now)
  if redis.call('HLEN', SLOTS) >= limit then
    drop_dead(now)
  end
  return redis.call('HLEN', SLOTS) < limit
end
