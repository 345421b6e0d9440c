// Runs the test functions of modules: node run_node.mjs MODULE…; exit status 77: a package is missing.
import { pathToFileURL } from "node:url";

let failures = 0;
for (const path of process.argv.slice(2)) {
    const module = await import(pathToFileURL(path)).catch((error) => {
        if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
        console.log(error.message);
        process.exit(77);
    });
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
