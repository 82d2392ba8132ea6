-- error: objects that look like filters and packets.
local f = filter("tcp")
function update(pkt, state)
  local m = f.match
  for _, odd in { {}, 0 / 0, 2 ^ 63, "x", setmetatable({}, { __eq = function() return true end }) } do
    pcall(m, odd, pkt)
    pcall(m, f, odd)
  end
  rawset(f, "match", function() return true end)
  m(setmetatable({}, { __index = f }), pkt)
end
function export() return { n = 1 } end
