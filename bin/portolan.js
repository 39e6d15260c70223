#!/usr/bin/env node
// Starts the program on a Node that can run it. Written in the oldest JavaScript, because it is what an old Node gets to
// read: there it hands over to the `node` package beside it (npm brings that one to a checkout), or says in one line what
// is needed. The import itself is in start.js, since an old Node could not even parse it.
'use strict';

var fs = require('fs');
var path = require('path');
var spawn = require('child_process').spawn;

var needed = [24, 12];

function isEnough(version) {
  var parts = version.split('.').map(Number);
  return parts[0] > needed[0] || (parts[0] === needed[0] && parts[1] >= needed[1]);
}

/** The binary of the `node` package, when it is there and new enough. */
function nodeBeside() {
  try {
    var manifest = require.resolve('node/package.json');
    if (!isEnough(require(manifest).version)) return undefined;
    var binary = path.join(path.dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    return fs.existsSync(binary) ? binary : undefined;
    // oxlint-disable-next-line no-unused-vars -- an old Node wants the name
  } catch (error) {
    return undefined;
  }
}

function handOver(binary) {
  var child = spawn(binary, process.execArgv.concat([__filename], process.argv.slice(2)), { stdio: 'inherit' });
  ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'].forEach(function (signal) {
    process.on(signal, function () {
      // A terminal sends SIGINT to both. This process stays until the child has ended.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  });
  child.on('error', function (error) {
    console.error('portolan: cannot start ' + binary + ': ' + error.message);
    process.exit(1);
  });
  child.on('exit', function (code, signal) {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

if (isEnough(process.versions.node)) {
  require('./start.js');
} else {
  var binary = nodeBeside();
  if (binary === undefined) {
    console.error('portolan needs Node ' + needed.join('.') + ' or newer, and this is ' + process.versions.node);
    process.exit(1);
  }
  handOver(binary);
}
