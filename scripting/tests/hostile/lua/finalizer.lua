-- any: a finaliser that loops.
function update(pkt, state)
  for i = 1, 1000 do setmetatable({}, { __gc = function() while true do end end, __mode = "k" }) end
end
function export() return { n = 1 } end
