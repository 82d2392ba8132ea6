-- error: recursion that never returns.
function init() return {} end
function update(pkt, state)
  local function f(n) return f(n + 1) end
  return f(1)
end
function export(state) return { n = 1 } end
