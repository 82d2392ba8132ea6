-- error: a file.
function init() return {} end
function update(pkt, state)
  io.open("/etc/passwd")
end
function export(state) return { n = 1 } end
