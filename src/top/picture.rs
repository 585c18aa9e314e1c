//! A board as it is drawn, on a terminal or as text.

use super::{Board, CoreRow, NodeRow, Order, PartitionRow};
use crate::limits::TOP_LINES;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Row, Table, Widget};

/// Columns of a picture that is written as text.
const TEXT_COLUMNS: u16 = 130;
/// Columns of a row's name.
const NAME: u16 = 24;
/// A core that is busy for more of its time than this has little left for what comes at once.
const BUSY: f64 = 0.8;

/// Shows a board.
pub struct Picture<'a> {
    /// What is shown.
    pub board: &'a Board,
    /// By which its cores are in order.
    pub order: Order,
    /// How many cores are passed over.
    pub skip: usize,
    /// What stands in the last line.
    pub foot: &'a str,
}

impl Picture<'_> {
    /// The same as text, with a line for every row.
    pub fn to_text(&self) -> String {
        let rows = self.heights().iter().sum::<usize>() + 1;
        let area = Rect::new(0, 0, TEXT_COLUMNS, u16::try_from(rows).unwrap_or(u16::MAX).min(TOP_LINES));
        let mut buffer = Buffer::empty(area);
        self.render(area, &mut buffer);
        let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        let lines: Vec<String> = (0..area.height).map(|y| line(y).trim_end().to_owned()).collect();
        format!("{}\n", lines.join("\n").trim_end())
    }

    /// Lines that the parts would take: a title, a head, the rows, and a line between it and the next.
    fn heights(&self) -> [usize; 3] {
        let Board { nodes, cores, partitions } = self.board;
        let part = |rows: usize| if rows == 0 { 0 } else { rows + 3 };
        [part(nodes.len()), part(cores.len().saturating_sub(self.skip)), part(partitions.len())]
    }

    fn nodes(&self) -> (Line<'static>, Table<'_>) {
        const HEAD: [&str; 10] = [
            "node",
            "state",
            "sessions",
            "in/s",
            "out/s",
            "ack p99",
            "given p99",
            "refused/s",
            "memory",
            "partitions",
        ];
        let rows = self.board.nodes.iter().map(node_row);
        (title("nodes", ""), table(HEAD, [NAME, 12, 9, 8, 8, 9, 9, 9, 8, 10], rows))
    }

    /// Why a node is silent, over all columns but the one of its name: a table has no cell as wide as that.
    fn write_troubles(&self, area: Rect, buffer: &mut Buffer) {
        let rows = (area.y + 2)..(area.y + area.height).saturating_sub(1);
        for (y, node) in rows.zip(&self.board.nodes) {
            let at = Rect { x: area.x + NAME + 1, y, width: area.width.saturating_sub(NAME + 1), height: 1 };
            if let Some(why) = node.trouble.as_deref().filter(|_| at.width > 0) {
                Line::from(why).style(Style::new().fg(Color::Red)).render(at, buffer);
            }
        }
    }

    fn cores(&self) -> (Line<'static>, Table<'_>) {
        const HEAD: [&str; 10] = [
            "node",
            "core",
            "busy",
            "sessions",
            "in/s",
            "out/s",
            "waiting",
            "turn p99",
            "given p99",
            "late/s",
        ];
        let rows = self.board.cores.iter().skip(self.skip).map(core_row);
        let order = match self.order {
            Order::Busiest => "the busiest first",
            Order::Slowest => "the slowest first",
        };
        (title("cores", order), table(HEAD, [NAME, 5, 7, 9, 8, 8, 8, 9, 9, 8], rows))
    }

    fn partitions(&self) -> (Line<'static>, Table<'_>) {
        let rows = self.board.partitions.iter().map(partition_row);
        (
            title("partitions", "the farthest behind first"),
            table(["node", "partition", "behind"], [NAME, 10, 12], rows),
        )
    }
}

impl Widget for &Picture<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let [nodes, cores, partitions] = self.heights().map(|rows| u16::try_from(rows).unwrap_or(u16::MAX));
        // Where there is no room for all, every node is shown first, then the worst of the rest.
        let room = area.height.saturating_sub(1);
        let nodes = nodes.min(room);
        let room = room - nodes;
        let partitions = partitions.min(room.saturating_sub(cores).max(room / 3));
        let cores = cores.min(room - partitions);
        let heights = [nodes, cores, partitions].map(Constraint::Length);
        let [nodes, cores, partitions, foot] =
            Layout::vertical([heights[0], heights[1], heights[2], Constraint::Min(1)]).areas(area);
        for (area, (title, table)) in
            [(nodes, self.nodes()), (cores, self.cores()), (partitions, self.partitions())]
        {
            if area.height < 3 {
                continue;
            }
            let [top, rest] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
            title.render(top, buffer);
            // The last line of a part stays empty.
            Widget::render(table, Rect { height: rest.height - 1, ..rest }, buffer);
        }
        self.write_troubles(nodes, buffer);
        Line::from(self.foot).style(Style::new().add_modifier(Modifier::DIM)).render(foot, buffer);
    }
}

fn title(name: &str, order: &str) -> Line<'static> {
    let text = if order.is_empty() { name.to_owned() } else { format!("{name}, {order}") };
    Line::from(text).style(Style::new().add_modifier(Modifier::BOLD))
}

fn table<'a, const N: usize>(
    head: [&'static str; N],
    widths: [u16; N],
    rows: impl Iterator<Item = Row<'a>>,
) -> Table<'a> {
    // All but a row's name are numbers, which are compared more easily by their ends.
    let head = head.into_iter().enumerate().map(|(at, word)| cell(at, word.to_owned()));
    let widths = widths.map(Constraint::Length);
    Table::new(rows, widths).header(Row::new(head).style(Style::new().add_modifier(Modifier::DIM)))
}

fn cell(at: usize, word: String) -> Text<'static> {
    if at == 0 { Text::from(word) } else { Text::from(word).right_aligned() }
}

fn row<const N: usize>(words: [String; N]) -> Row<'static> {
    Row::new(words.into_iter().enumerate().map(|(at, word)| cell(at, word)))
}

fn node_row(node: &NodeRow) -> Row<'static> {
    if node.trouble.is_some() {
        return row([node.name.clone()]).style(Style::new().fg(Color::Red));
    }
    let state = match (node.is_member, node.members, node.sessions) {
        (_, _, None) => "not yet".to_owned(),
        (None, ..) => "alone".to_owned(),
        (Some(false), ..) => "no member".to_owned(),
        (Some(true), members, _) => format!("one of {}", count(members)),
    };
    let style = if node.is_member == Some(false) { Style::new().fg(Color::Yellow) } else { Style::new() };
    let partitions = match (node.served, node.owned) {
        (Some(served), Some(owned)) => format!("{served}/{owned}"),
        _ => NOT_KNOWN.to_owned(),
    };
    row([
        node.name.clone(),
        state,
        count(node.sessions),
        count(node.received),
        count(node.delivered),
        seconds(node.ack_p99),
        seconds(node.deliver_p99),
        count(node.refused),
        bytes(node.memory),
        partitions,
    ])
    .style(style)
}

fn core_row(core: &CoreRow) -> Row<'static> {
    let is_busy = core.busy.is_some_and(|busy| busy > BUSY);
    let style = if is_busy { Style::new().fg(Color::Yellow) } else { Style::new() };
    row([
        core.node.clone(),
        core.core.to_string(),
        core.busy.map_or(NOT_KNOWN.to_owned(), |busy| format!("{:.1} %", busy * 100.0)),
        count(core.sessions),
        count(core.received),
        count(core.delivered),
        count(core.waiting),
        seconds(core.turn_p99),
        seconds(core.deliver_p99),
        count(core.late),
    ])
    .style(style)
}

fn partition_row(partition: &PartitionRow) -> Row<'static> {
    let PartitionRow { node, partition, lag } = partition;
    row([node.clone(), partition.to_string(), count(Some(*lag))])
}

const NOT_KNOWN: &str = "–";

/// A number, in four digits and a letter at most.
fn count(value: Option<f64>) -> String {
    let Some(value) = value else { return NOT_KNOWN.to_owned() };
    match value {
        value if value >= 1e7 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.1}k", value / 1e3),
        value if value == value.trunc() || value >= 100.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

/// A bound of a histogram: what was measured is at most that.
fn seconds(value: Option<f64>) -> String {
    match value {
        None => NOT_KNOWN.to_owned(),
        Some(f64::INFINITY) => "more".to_owned(),
        Some(value) if value < 1e-3 => format!("{:.0} µs", value * 1e6),
        Some(value) if value < 1.0 => format!("{} ms", (value * 1e5).round() / 100.0),
        Some(value) => format!("{value} s"),
    }
}

fn bytes(value: Option<f64>) -> String {
    match value {
        None => NOT_KNOWN.to_owned(),
        Some(value) if value >= 10.0 * GIB => format!("{:.0} GiB", value / GIB),
        Some(value) if value >= GIB => format!("{:.1} GiB", value / GIB),
        Some(value) => format!("{:.0} MiB", value / MIB),
    }
}

const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_024.0 * MIB;

#[cfg(test)]
mod tests {
    use super::super::rig::two_nodes;
    use super::*;

    fn picture(board: &Board) -> Picture<'_> {
        Picture { board, order: Order::Busiest, skip: 0, foot: "" }
    }

    #[test]
    fn as_text_it_has_every_row() {
        let board = Board::of(&two_nodes(), Order::Busiest);
        let text = picture(&board).to_text();
        let row =
            |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(row("10.0.0.1:9090      ")), "10.0.0.1:9090 one of 2 12 1000 – – – – 100 MiB 2/3");
        assert!(row("10.0.0.2").contains("cannot reach"), "{text}");
        assert!(text.contains("cores, the busiest first") && text.contains("25.0 %"), "{text}");
        assert!(text.contains("partitions, the farthest behind first"), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("10.0.0.1")).count(), 5, "{text}");
    }

    #[test]
    fn it_fits_every_terminal() {
        let board = Board::of(&two_nodes(), Order::Busiest);
        for columns in [1, 2, 23, 24, 25, 80, 200] {
            for rows in 1..24 {
                let area = Rect::new(0, 0, columns, rows);
                let mut buffer = Buffer::empty(area);
                picture(&board).render(area, &mut buffer);
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        let counts = [0.0, 3.25, 250.4, 9_999.0, 12_345.0, 1.5e7].map(|value| count(Some(value)));
        assert_eq!(counts, ["0", "3.2", "250", "9999", "12.3k", "15.0M"]);
        let times = [0.0001, 0.00025, 0.0025, 0.1, 5.0, f64::INFINITY].map(|value| seconds(Some(value)));
        assert_eq!(times, ["100 µs", "250 µs", "2.5 ms", "100 ms", "5 s", "more"]);
        let sizes = [5.0 * MIB, 1.5 * GIB, 100.0 * GIB].map(|value| bytes(Some(value)));
        assert_eq!(sizes, ["5 MiB", "1.5 GiB", "100 GiB"]);
    }
}
