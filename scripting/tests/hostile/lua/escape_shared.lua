-- error: another module by shared tables.
function init() return {} end
function update(pkt, state)
  local _G = _G
  _G.shared = 1
end
function export(state) return { n = 1 } end
