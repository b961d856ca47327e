-- Count slots no more. KEYS: two that are not used, slots, keys. ARGV: slots. Needs no time: dead or alive.

for _, slot in ipairs(ARGV) do
  drop(slot)
end
return 1
