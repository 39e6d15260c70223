// Imports the program: from source in a checkout, compiled where it was published, since Node strips no types from files
// below node_modules.
'use strict';

const fs = require('node:fs');
const nodeModule = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const root = path.dirname(__dirname);
const source = path.join(root, 'src', 'cli', 'main.ts');
const compiled = path.join(root, 'dist', 'cli', 'main.js');
const fromSource = !root.split(path.sep).includes('node_modules') && fs.existsSync(source);

// What was compiled (and stripped of types) once is kept in the system's folder for temporary files.
nodeModule.enableCompileCache();
void import(pathToFileURL(fromSource ? source : compiled).href);
