-- error: the registry.
function init() return {} end
function update(pkt, state)
  local debug = debug
  debug.getregistry()
end
function export(state) return { n = 1 } end
