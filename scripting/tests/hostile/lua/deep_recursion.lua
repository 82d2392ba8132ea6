-- error: recursion without end.
function init() return {} end
function update(pkt, state)
  local function f() return 1 + f() end
  return f()
end
function export(state) return { n = 1 } end
