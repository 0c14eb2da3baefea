#!/usr/bin/env node
/** `thin-clones` in a terminal. What it needs is loaded when the code that was compiled before can be taken. */
import { keepCompiledCode } from '../process/compiledCode.ts';

keepCompiledCode(import.meta.url);
const { runInTerminal } = await import('./terminal.ts');
process.exitCode = await runInTerminal(import.meta.url);
