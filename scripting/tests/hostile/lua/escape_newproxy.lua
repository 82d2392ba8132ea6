-- error: an object with a finaliser.
function init() return {} end
function update(pkt, state)
  newproxy(true)
end
function export(state) return { n = 1 } end
