-- cpu|error: an endless loop in the order of top.
function init() return {} end
function update(pkt, state)
  top({ setmetatable({}, { __lt = function() while true do end end, __le = function() while true do end end }), setmetatable({}, {}) }, 1)
  while true do end
end
function export(state) return { n = 1 } end
