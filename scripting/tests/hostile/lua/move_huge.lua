-- error: table.move of two billion.
function init() return {} end
function update(pkt, state)
  table.move({}, 1, 2 ^ 31 - 2, 2)
end
function export(state) return { n = 1 } end
