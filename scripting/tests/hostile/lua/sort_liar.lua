-- error: a comparator that lies.
function init() return {} end
function update(pkt, state)
  local t = {} for i = 1, 1000 do t[i] = i % 7 end
  table.sort(t, function() return true end)
end
function export(state) return { n = 1 } end
