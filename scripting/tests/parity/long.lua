-- Long rows, folded by the script and ended by action.
args = { timeout = '2s' }
key = { src = 'ip.src', dst = 'ip.dst' }
value = { packets = count(), last = last('ts') }
long = { timeout = args.timeout, value = { packets = sum('packets'), most = max('packets') } }
function export(table, long)
  long:fold(table)
  return table:top('packets', 1)
end
function action(row, now)
  if row.packets > 12 then return 'store' end
  if row.dst == addr('10.0.0.2') then return 'discard' end
end
