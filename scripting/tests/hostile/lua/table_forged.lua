-- error: packets that are none, added to a table, and a table out of its time.
local kept
function init()
  kept = kept or table({ key = { a = "ip.src" }, value = { n = count() } })
  return { t = kept, other = table({ key = { a = "ip.src" }, value = { n = count() } }) }
end
function update(pkt, state)
  for _, at in { -1, 0 / 0, 1e300, 4096, 2 ^ 53 } do
    pcall(function() state.t:add(at) end)
  end
  state.t:add(pkt)
  pcall(function() state.t:clear() end)
  pcall(function() state.t:find(state.t) end)
  pcall(function() state.t:top("nothing", 0 / 0) end)
  pcall(function() table({ key = { a = "vlan.id" }, value = { n = count() } }) end)
  pcall(function() getmetatable(table).__call = nil end)
  state.t:add("packet")
end
function export(state)
  pcall(function() state.t:add(0) end)
  return state.t
end
