-- error: another module by shared tables.
function init() return {} end
function update(pkt, state)
  _G.shared = 1
end
function export(state) return { n = 1 } end
