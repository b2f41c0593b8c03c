//! Medians, quantiles, and tables in Markdown.

/// The middle of some figures.
pub fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5)
}

/// The least figure that so large a part of all does not exceed.
pub fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (part * sorted.len() as f64).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}

/// Prints a table under a title.
pub fn print_table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("### {title}\n");
    println!("| {} |", head.join(" | "));
    println!("|{}", " --- |".repeat(head.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}

/// A figure with as many digits as tell something.
pub fn short(figure: f64) -> String {
    match figure.abs() {
        large if large >= 100.0 => with_thousands(figure.round()),
        middle if middle >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

pub fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

fn with_thousands(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let mut text = String::from(if whole < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
