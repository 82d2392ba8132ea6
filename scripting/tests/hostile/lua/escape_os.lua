-- error: a process.
function init() return {} end
function update(pkt, state)
  local os = os
  os.execute("true")
end
function export(state) return { n = 1 } end
