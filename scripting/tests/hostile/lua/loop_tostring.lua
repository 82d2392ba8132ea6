-- cpu: an endless loop in __tostring, while the log asks.
function init() return {} end
function update(pkt, state)
  log(setmetatable({}, { __tostring = function() while true do end end }))
end
function export(state) return { n = 1 } end
