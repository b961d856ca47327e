-- Several strings in one, whatever is in them: each after its length and a colon.

local function pack(fields)
  local parts = {}
  for i, field in ipairs(fields) do
    parts[i] = #field .. ':' .. field
  end
  return table.concat(parts)
end

local function unpacked(text)
  local fields, at = {}, 1
  while at <= #text do
    local colon = string.find(text, ':', at, true)
    local size = tonumber(string.sub(text, at, colon - 1))
    fields[#fields + 1] = string.sub(text, colon + 1, colon + size)
    at = colon + size + 1
  end
  return fields
end
