-- error: a file.
function init() return {} end
function update(pkt, state)
  local io = io
  io.open("/etc/passwd")
end
function export(state) return { n = 1 } end
