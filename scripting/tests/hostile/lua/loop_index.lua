-- cpu: an endless loop in __index.
function init() return {} end
function update(pkt, state)
  return setmetatable({}, { __index = function() while true do end end }).x
end
function export(state) return { n = 1 } end
