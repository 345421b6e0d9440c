// Runs the test functions of modules: node run_node.mjs MODULE…
import { pathToFileURL } from "node:url";

let failures = 0;
for (const path of process.argv.slice(2)) {
    const module = await import(pathToFileURL(path));
    for (const [name, test] of Object.entries(module)) {
        if (!name.startsWith("test_")) continue;
        try {
            await test();
            console.log("ok", name);
        } catch (error) {
            failures++;
            console.log("not ok", name, "\n", error.stack);
        }
    }
}
process.exit(failures ? 1 : 0);
