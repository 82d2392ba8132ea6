-- log: a flood of lines.
function init() return {} end
function update(pkt, state)
  for i = 1, 10000 do log("line", i) end
end
function export(state) return { n = 1 } end
