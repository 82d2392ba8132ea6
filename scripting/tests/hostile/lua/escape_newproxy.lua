-- error: an object with a finaliser.
function init() return {} end
function update(pkt, state)
  local newproxy = newproxy
  newproxy(true)
end
function export(state) return { n = 1 } end
