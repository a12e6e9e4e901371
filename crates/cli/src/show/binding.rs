//! Bindings for people.

use portward_api::BindingView;

use crate::table::{Cell, Colour, Table, Tone};

/// One line for each binding.
pub(crate) fn bindings(bindings: &[BindingView], colour: Colour) -> String {
    if bindings.is_empty() {
        return EMPTY.to_owned();
    }
    // Most installations have neither.
    if bindings.iter().all(|binding| binding.accept_proxy_from.is_empty() && binding.to.is_empty()) {
        let mut table = Table::new(&["ID", "URL", "STATE", "PROBLEM"]);
        for binding in bindings {
            let problem = binding.problem.as_deref().unwrap_or_default();
            table.row([(&binding.id).into(), (&binding.url).into(), state(binding.bound), problem.into()]);
        }
        return table.render(colour);
    }
    let mut table = Table::new(&["ID", "URL", "STATE", "PROXIES", "PASSES THROUGH", "PROBLEM"]);
    for binding in bindings {
        table.row([
            (&binding.id).into(),
            (&binding.url).into(),
            state(binding.bound),
            binding.accept_proxy_from.join(", ").as_str().into(),
            binding.to.join(", ").as_str().into(),
            binding.problem.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.render(colour)
}

/// Whether connections are accepted, in words.
pub(super) fn state(bound: bool) -> Cell {
    if bound { Cell::toned("bound", Tone::Good) } else { Cell::toned("not bound", Tone::Bad) }
}

const EMPTY: &str =
    "No binding yet. A binding is where Portward accepts connections. Add one: portward binding add https://[::]:443\n";
