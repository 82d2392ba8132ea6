-- any: a comparator that empties what is sorted.
function init() return {} end
function update(pkt, state)
  local t = {} for i = 1, 1000 do t[i] = i end
  table.sort(t, function(a, b) table.clear(t) return (a or 0) < (b or 0) end)
end
function export(state) return { n = 1 } end
