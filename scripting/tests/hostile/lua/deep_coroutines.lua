-- error: coroutines within coroutines.
function init() return {} end
function update(pkt, state)
  local function f() return coroutine.wrap(f)() end
  return f()
end
function export(state) return { n = 1 } end
