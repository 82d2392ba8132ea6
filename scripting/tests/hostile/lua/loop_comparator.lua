-- cpu: an endless loop in a sort comparator.
function init() return {} end
function update(pkt, state)
  table.sort({ 3, 1, 2 }, function() while true do end end)
end
function export(state) return { n = 1 } end
