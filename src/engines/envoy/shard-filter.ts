// Which RouteConfiguration a request is looked up in (route-tables.ts), as a Lua filter in front of the guard: one of its own, since what
// a script has asked of a virtual host stays as it was for all of that script.
import { luaFilter, luaText } from './lua.ts';
import { SHARD_HEADER } from './names.ts';
import { PATTERNS, SHARDS, tableName } from './route-tables.ts';
import { type CheckRoom, roomKeys } from './routes/checks.ts';
import { METADATA } from './routes/match.ts';
import type { Message } from './tree.ts';

/**
 * @param bind its key
 * @param room of the chain, told to routes that ask for more than every chain has
 */
export function shardFilter(bind: string, room: CheckRoom): Message {
  const keys = roomKeys(room);
  const constants = [
    `local HEADER, SHARDS = ${luaText(SHARD_HEADER)}, ${SHARDS}`,
    `local TABLES, PATTERNS = ${luaText(tableName(bind, ''))}, ${luaText(tableName(bind, PATTERNS))}`,
    '',
  ];
  const told = keys.map((key) => `  metadata:set(${luaText(METADATA)}, ${luaText(key)}, "yes")\n`).join('');
  const telling = told === '' ? '' : `  local metadata = handle:streamInfo():dynamicMetadata()\n${told}`;
  return luaFilter(constants.join('\n') + script.replace('$TELL\n', () => telling));
}

// A script that fails leaves the header away, so that no route is found.
const script = String.raw`
local byte, match, sub, lower = string.byte, string.match, string.sub, string.lower

function envoy_on_request(handle)
  local headers = handle:headers()
$TELL
  local authority = lower(headers:get(":authority") or "")
  local name = match(authority, "^(%[[^%]]*%])") or match(authority, "^([^:]*)")
  if sub(name, -1) == "." then name = sub(name, 1, -2) end
  local hash = 0
  for i = 1, #name do hash = (hash * 31 + byte(name, i)) % 65536 end
  headers:replace(HEADER, TABLES .. (hash % SHARDS))
  handle:clearRouteCache()
  -- Envoy looks for the host only when it is asked for something of the route.
  local _ = handle:metadata()
  if not handle:virtualHost():metadata():get("frontend") then
    headers:replace(HEADER, PATTERNS)
    handle:clearRouteCache()
  end
end
`;
