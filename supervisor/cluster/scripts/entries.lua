-- A part of a log, oldest first. KEYS: stream. ARGV: 'after' or 'latest', position, how many. Reads only.

local function position_of(entry)
  return entry and string.match(entry[1], '^%d+') or '0'
end

local STREAM, count = KEYS[1], ARGV[3]
local page = {}
if ARGV[1] == 'after' then
  page = redis.call('XRANGE', STREAM, ARGV[2] .. '-1', '+', 'COUNT', count)
else
  local newest_first = redis.call('XREVRANGE', STREAM, '+', '-', 'COUNT', count)
  for i = #newest_first, 1, -1 do
    page[#page + 1] = newest_first[i]
  end
end
local answer = {}
for i, entry in ipairs(page) do
  answer[i] = { position_of(entry), entry[2][2], entry[2][4] }
end
return {
  position_of(redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]),
  position_of(redis.call('XREVRANGE', STREAM, '+', '-', 'COUNT', 1)[1]),
  answer,
}
