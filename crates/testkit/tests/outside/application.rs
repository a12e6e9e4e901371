//! A real application with WebSockets: JupyterLab in Chromium, through Portward on https.

use std::process::Command;

use portward_testkit::{Browser, Child, Program, free_port};

use crate::{bodies::wait_for, python};

#[test]
fn jupyterlab_runs_a_notebook_in_a_browser() {
    let server = Program::new().start();
    let port = free_port();
    let home = server.files().join("jupyter");
    std::fs::create_dir(&home).unwrap();
    let _jupyter = Child::start(
        Command::new(python::program("jupyterlab", &["jupyterlab==4.*"], "jupyter"))
            .args([
                "lab",
                "--no-browser",
                "--allow-root",
                "--ip=127.0.0.1",
                "--IdentityProvider.token=",
                "--ServerApp.password=",
            ])
            .args([&format!("--port={port}"), "--ServerApp.port_retries=0", "--LabApp.expose_app_in_browser=True"])
            .args([
                "--ServerApp.allow_remote_access=True",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            ])
            .current_dir(&home)
            .env("HOME", &home),
    );
    wait_for(port);
    let site =
        ["site", "add", "lab.test", "--upstream", &format!("http://127.0.0.1:{port}"), "--force-https", "browsers"];
    server.portward(&site);

    let browser = Browser::start();
    browser.open(&format!("http://lab.test:{}/lab", server.http.port()));
    let https = format!("https://lab.test:{}/lab", server.https.port());
    assert!(browser.url().starts_with(&https), "a browser is sent to https, not to {}", browser.url());
    browser.wait_for("return !!window.jupyterapp && window.jupyterapp.restored.then(() => true)");
    // The kernel is reached by a WebSocket alone: a notebook that computes has one.
    browser.run(
        "const app = window.jupyterapp;
         return app.commands.execute('notebook:create-new', { kernelName: 'python3' })
           .then(panel => panel.sessionContext.ready.then(() => {
             panel.content.activeCell.model.sharedModel.setSource('print(6 * 7, \"through the front door\")');
             return app.commands.execute('notebook:run-cell').then(() => true);
           }));",
    );
    browser.wait_for(
        "return [...document.querySelectorAll('.jp-OutputArea-output')].some(o => o.textContent.includes('42 through the front door'))",
    );
    let protocols = browser.run(
        "return performance.getEntriesByType('resource').map(entry => entry.nextHopProtocol).filter((p, i, all) => all.indexOf(p) === i)",
    );
    assert!(protocols.to_string().contains("h2"), "the page came by HTTP/2: {protocols}");
}
