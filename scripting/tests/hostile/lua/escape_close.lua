-- error: the running coroutine is closed.
function init() return {} end
function update(pkt, state)
  coroutine.close(coroutine.running())
end
function export(state) return { n = 1 } end
