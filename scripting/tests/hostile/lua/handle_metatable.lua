-- error: the metatable of an address.
function init() return {} end
function update(pkt, state)
  setmetatable(addr("1.1.1.1"), { __tostring = function() return "x" end })
end
function export(state) return { n = 1 } end
