//! How a drawing looks: a line per workload over values at equal distances, and a rate that begins at 0.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::series::{Drawing, Line};

const SIZE: (u32, u32) = (640, 400);
const FONT: &str = "sans-serif";
/// Also told apart by those who see fewer colours than others.
const COLOURS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 140, 100)];

/// Draws `lines` into `file`.
pub(crate) fn draw(file: &Path, drawing: &Drawing, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let fastest = lines.iter().flat_map(Line::medians).fold(0.0, f64::max) / 1e6;
    let last = drawing.values.len() - 1;
    let mut chart = ChartBuilder::on(&root)
        .caption(drawing.title, (FONT, 18))
        .margin(16)
        .margin_right(56)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d(0..last, 0.0..fastest * 1.1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .x_labels(drawing.values.len())
        .x_label_formatter(&|place| drawing.values.get(*place).map(|value| short(*value)).unwrap_or_default())
        .x_desc(drawing.over)
        .y_desc("million records/s")
        .label_style((FONT, 13))
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points = || line.medians().map(|rate| rate / 1e6).enumerate();
        let name = (FONT, 13).into_font().color(colour);
        chart.draw_series(LineSeries::new(points(), colour.stroke_width(2)))?;
        chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
        // Behind the last point.
        chart.draw_series(points().last().map(|end| EmptyElement::at(end) + Text::new(line.name, (8, -6), name)))?;
    }
    root.present()?;
    Ok(())
}

/// A number as it is said.
fn short(value: u64) -> String {
    match value {
        0..1_000 => value.to_string(),
        1_000..1_000_000 => format!("{} K", value / 1_000),
        _ => format!("{} M", value / 1_000_000),
    }
}
